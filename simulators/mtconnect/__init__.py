"""An MTConnect agent: what it knows, its documents, its HTTP."""
