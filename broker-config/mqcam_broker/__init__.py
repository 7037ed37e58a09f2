"""The owner's tool: accounts, certificates and the mosquitto that runs on them."""
