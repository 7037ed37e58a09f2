"""What camera and viewer share: the wire protocol, the broker session, the WebRTC connection."""
