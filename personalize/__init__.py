"""The shell on top of the engine: command line, settings, the local stack, importers and benchmarks."""
