"""How the demo model was made: sentences, voices, augmentation, network, training, figures."""
