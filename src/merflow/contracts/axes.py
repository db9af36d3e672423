"""Names of axes of inspected arrays that are neither a role nor explained by their word alone."""

# A fixed number of steps that all count, the padding behind the last real one too.
POSITION = "position"
# A vector that a model makes from one modality, and that should be alike for all modalities of an utterance.
INVARIANT = "invariant"
