"""What moves it: the Faust application, the batch transport, the worker and the outbox relay."""
