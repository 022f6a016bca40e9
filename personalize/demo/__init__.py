"""Where does the demo's traffic come from?  From real clicks of Open University learners."""
