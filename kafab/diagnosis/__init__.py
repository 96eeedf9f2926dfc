"""What was gathered of a cluster in trouble: asked, without secrets, judged; pure."""
