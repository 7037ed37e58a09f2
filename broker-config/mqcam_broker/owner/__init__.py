"""The owner's signed word: kept, and on its way to the broker."""
