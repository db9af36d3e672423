"""KFP pipelines, one a file; ``compiled/`` holds the compiled packages."""
