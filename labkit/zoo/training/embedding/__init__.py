"""mini-embed: texts to vectors, so that a question lies near the passage that answers it, in either language."""
