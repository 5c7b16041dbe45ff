module docker-mirror/bench

go 1.25.0
