"""The scaling loop's Kubernetes side, against a stand-in with a real API server's rules."""
