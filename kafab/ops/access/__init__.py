"""Users, ACLs, quotas and topics as code."""
