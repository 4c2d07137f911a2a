# One image for Binder, Codespaces (.devcontainer/) and a cluster's JupyterHub (deploy/hub/README.md): CPU torch from
# environment.yml, no StarCraft, nothing of a teacher's (.dockerignore). With the graded assignments, from the copy for
# students:
#     make student-copy && docker build -t omg-lab build/student-copy
# It has never been built, because no container engine was available. Tests only check it line by line.
FROM mambaorg/micromamba:2.0.5-debian12-slim

# Binder passes its own.
ARG NB_USER=jovyan
ARG NB_UID=1000
USER root
ENV PATH=/opt/conda/bin:$PATH PIP_NO_CACHE_DIR=1 OMP_NUM_THREADS=1
WORKDIR /opt/omg-lab
COPY environment.yml pyproject.toml constraints.txt README.md LICENSE ./
COPY omg_lib ./omg_lib
RUN micromamba install --yes --name base --file environment.yml \
    && pip install --no-cache-dir "jupyterhub>=5,<7" "notebook>=7,<8" \
    && micromamba clean --all --yes

# Recorded data belongs to root: shared by all students, read-only.
COPY notebooks ./notebooks
COPY data ./data
RUN test ! -e notebooks/assignments/source

RUN useradd --create-home --uid "$NB_UID" "$NB_USER" \
    && cp -r notebooks "/home/$NB_USER/notebooks" \
    && ln -s /opt/omg-lab/data "/home/$NB_USER/data" \
    && chown -R "$NB_UID" "/home/$NB_USER/notebooks"
USER $NB_UID
ENV HOME=/home/$NB_USER
WORKDIR /home/$NB_USER
EXPOSE 8888
ENTRYPOINT []
CMD ["jupyterhub-singleuser"]
