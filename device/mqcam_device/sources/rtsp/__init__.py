"""A network camera, through an RTSP client of our own: docs/decisions/feeds.md says why."""
