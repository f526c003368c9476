"""`Wire`: thousands of paho-mqtt clients on one epoll loop, TLS credentials from memory."""
