"""The capture child: owns the camera and the encoder, exchanges only messages with the agent."""
