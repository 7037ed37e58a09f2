"""The window: cameras at the side, a picture, and how it stands, in words.

Three layers. Below, without Qt and on a thread of its own, the engine owns the client and turns
packets into pictures in BGRA. Beside it, pure, the model keeps what a person should read. On top
Qt paints: it asks the model for words and the slot for the newest picture, and decides nothing.
"""
