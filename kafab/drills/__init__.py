"""What a drill knows: the history of operations, the anomalies in it, and what each row of its table allows."""
