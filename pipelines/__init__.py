"""KFP pipelines, one a file, and what they begin with alike; ``compiled/`` holds the compiled packages."""
