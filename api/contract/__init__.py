"""What does each route promise?  Its contract stands beside it and becomes the OpenAPI document."""
