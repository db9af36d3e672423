"""Names of axes of inspected arrays that are neither roles nor self-explanatory."""

# A fixed number of steps that all count, including padding after the last real one.
POSITION = "position"
# A vector that a model makes from one modality, and that should be alike for all modalities of an utterance.
INVARIANT = "invariant"
