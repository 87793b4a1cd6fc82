"""Generated from proto/worker_manager.proto by `make proto`; the other files are not edited."""
