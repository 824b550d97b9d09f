# insidellms in a container: docker build -t insidellms . && docker run --rm -v "$PWD:/work" -e OPENAI_API_KEY insidellms run experiment.yaml
# Keys are passed when it runs, and are in no layer.
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build==1.6.1 \
 && python -m build --wheel --outdir /wheels \
 && pip install --no-cache-dir --prefix /installed --constraint constraints.txt /wheels/*.whl

FROM python:3.13-slim
COPY --from=build /installed /usr/local
RUN useradd --create-home --uid 1000 runner
USER 1000
WORKDIR /work
ENTRYPOINT ["insidellms"]
CMD ["--help"]
