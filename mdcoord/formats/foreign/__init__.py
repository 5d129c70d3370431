"""What other programs call a task, read into our words; pure functions over their texts."""
