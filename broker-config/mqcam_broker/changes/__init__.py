"""What the verbs do to a broker's folder, each a change that happens whole or not at all."""
