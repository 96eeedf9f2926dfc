"""Users, ACLs, quotas and topics: what a file asks for, what a cluster has, and the steps from one to the other. Pure."""
