# docker build -t halcyon .
# docker run --rm -v "$PWD:/work" halcyon train --data.path /work/images --run.dir /work/runs/mine
FROM debian:12 AS build
WORKDIR /src
COPY scripts/install-deps.sh scripts/
RUN apt-get update && scripts/install-deps.sh dpkg-dev file && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF \
    && cmake --build --preset release --parallel "$(nproc)" \
    && cpack --config build/release/CPackConfig.cmake -G DEB -B /packages

FROM debian:12-slim
RUN --mount=type=bind,from=build,source=/packages,target=/packages \
    apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
       /packages/halcyon_*.deb gnuplot-nox libopenblas0-openmp \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /work
ENTRYPOINT ["halcyon"]
CMD ["--help"]
