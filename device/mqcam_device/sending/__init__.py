"""One viewer's way out, and what all of them share: packets made once, encrypted for each."""
