"""`Wire`: thousands of connections on one epoll loop, MQTT by paho and HTTP by h11, TLS credentials from memory."""
