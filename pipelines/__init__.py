"""KFP pipelines, one per file, and the steps that they share; ``compiled/`` holds the compiled packages."""
