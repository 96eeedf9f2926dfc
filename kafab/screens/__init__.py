"""Everything that people see: text(value) and document(value), and the only place that prints."""
