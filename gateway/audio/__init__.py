"""From whatever bytes a client sends to 16 kHz mono PCM16LE."""
