"""The store of releases and the sources that fill it."""
