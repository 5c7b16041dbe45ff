module docker-mirror

go 1.25.0

require github.com/google/go-containerregistry v0.22.1

require github.com/opencontainers/go-digest v1.0.0 // indirect
