"""The bundled demo model: a small ViT-GPT2 that knows coloured shapes, and everything it was made with."""
