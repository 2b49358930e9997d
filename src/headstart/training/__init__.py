"""How a client trains: what a method sees of its data, the loop of steps, optimisers; the method writer's one door."""
