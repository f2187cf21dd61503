"""From contributions to explanations: which features, how far from normal, and a sentence to read aloud."""
