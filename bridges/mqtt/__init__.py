"""MQTT: sessions, the frames on their sockets, and an outlet that publishes."""
