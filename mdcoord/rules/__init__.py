"""What may happen to tasks, claims, agents, workflows and messages: pure functions over values.

Nothing here reads or writes a store, so each rule can be read, and tried, by itself.
"""
