"""How models follow what is normal: what they may learn, how new ones are made, and when these take over."""
