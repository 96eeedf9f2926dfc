"""User verbs, a module a family: observe, decide, guard, act. They speak to ports and never print."""
