"""What was seen -> findings. Pure."""
