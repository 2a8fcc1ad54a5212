"""Measurements that are too heavy for the tests: `./slskdn bench …`. Each kind of work has a module, each contender in it another."""
