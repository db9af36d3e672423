"""From a speech-emotion corpus to compared, tracked models."""
