"""What does a person see?  The live page at `/`: fragments of HTML over the same reads as the API."""
