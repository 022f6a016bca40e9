"""What is said: events, commands and read models as msgspec Structs, their decoders, topics and partitioner."""
