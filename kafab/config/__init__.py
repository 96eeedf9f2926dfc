"""From a cluster to the files its nodes start from: properties, templates, units, and Kafka's own catalogue of properties."""
