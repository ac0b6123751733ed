"""What comes by MQTT: topics, payloads and event times as devices write them."""
