"""The mosquitto that runs on a broker's folder."""
