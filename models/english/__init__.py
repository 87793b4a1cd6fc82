"""The demo model: emergency-dispatch English."""
