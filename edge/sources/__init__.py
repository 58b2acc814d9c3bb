"""The protocols: a file here is a source, its name is the name in configuration, and it exports one public name, `open_source`."""
