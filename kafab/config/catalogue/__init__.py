"""What Kafka says of its own broker properties, by version, and what is wrong with those of one server.properties.

`definitions` reads the data that scripts/catalogue made from the releases themselves; `names` judges a property's name,
`values` its value, `startup` and `listeners` what must be true between several. None of them knows inventories.
"""
