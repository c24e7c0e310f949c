"""Real nodes in network namespaces, broken on purpose, and what they kept compared with what they promised."""
