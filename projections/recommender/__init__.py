"""What does the recommender keep? Its folded state with snapshots, its lists, its weights and how well it did."""
